//! The wheels that packages are made of, with the hashes that they must have: plain data.

use super::sources::{Content, PINNED};

/// One wheel, as pip is asked for it whatever Python pip itself runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wheel {
    pub(super) content: Content,
    /// The project's name in the index.
    pub(super) project: &'static str,
    pub(super) version: &'static str,
    /// The platform in the wheel's name.
    pub(super) platform: &'static str,
    pub(super) sha256: &'static str,
    /// Size of the wheel, in millions of bytes.
    pub(super) megabytes: u64,
}

/// OpenVINO's plugin, which follows its own numbers; its makers build it for two systems.
pub(super) fn openvino(os: &str, processor: &str) -> Option<Vec<Wheel>> {
    let (platform, sha256) = match (os, processor) {
        ("linux", "x86_64") => {
            ("manylinux_2_28_x86_64", "3832643158c8c187fcab6db661cde2a8c06a2b3559d95d0f2411ac0e51c5e924")
        }
        ("windows", "x86_64") => {
            ("win_amd64", "1acd878be173b02bb8b953460f2f59b121e5f6e47ebc6aad490c0590cf6718fb")
        }
        _ => return None,
    };
    let (project, version) = ("onnxruntime-ep-openvino", "1.8.1");
    Some(vec![Wheel { content: Content::OpenVino, project, version, platform, sha256, megabytes: 53 }])
}

/// ONNX Runtime for CUDA 13, and NVIDIA's libraries in the versions that its extras `cuda` and `cudnn` ask for. Left
/// out are cuFFT and what it needs: ONNX Runtime loads it for Fourier transforms only, which no network here has.
pub(super) fn cuda(os: &str, processor: &str) -> Option<Vec<Wheel>> {
    let wheels: &[(&str, &str, &str, &str, u64)] = match (os, processor) {
        ("linux", "x86_64") => &[
            (
                "onnxruntime-gpu",
                PINNED,
                "manylinux_2_28_x86_64",
                "e26c475fe361b2015f45b4b824bd13f0bb20204e59b62814e6f0acd5f3d491a6",
                256,
            ),
            (
                "nvidia-cuda-runtime",
                "13.5.37",
                "manylinux_2_17_x86_64",
                "df2b79a8852f10d1fef8c848489c49eebb5754051bf870202a862831412b179d",
                3,
            ),
            (
                "nvidia-cuda-nvrtc",
                "13.5.37",
                "manylinux_2_12_x86_64",
                "86b4d68058807988b7d9af5b44917a0601e9c337f35ccd657bfb3c759ff8d8bc",
                59,
            ),
            (
                "nvidia-cublas",
                "13.10.0.20",
                "manylinux_2_5_x86_64",
                "dcc6d63884c53d07e267ce7e6feac17b2538cebaafec5db865736c3e28e4dc84",
                445,
            ),
            (
                "nvidia-curand",
                "10.4.5.25",
                "manylinux_2_27_x86_64",
                "22bb226a857e5888fe6b54ae465fc4371296bcff13a35f79e19691bcf454f529",
                78,
            ),
            (
                "nvidia-cudnn-cu13",
                "9.28.1.4",
                "manylinux_2_27_x86_64",
                "a54f205b1db1f2895d99f398754db1369816f0569dd459731f925635cf7b65ec",
                517,
            ),
        ],
        ("windows", "x86_64") => &[
            (
                "onnxruntime-gpu",
                PINNED,
                "win_amd64",
                "fd98341ba71c093153f0dcfc53eb69d57f706866fb45e94e5b0cde5d97a50dbf",
                169,
            ),
            (
                "nvidia-cuda-runtime",
                "13.5.37",
                "win_amd64",
                "f225d3fa5ea6bfbb58fc4979ef72375cbe661d9107f0d8a4ff22cc151525e4a9",
                3,
            ),
            (
                "nvidia-cuda-nvrtc",
                "13.5.37",
                "win_amd64",
                "e8e6c10b251385707ae3abd7b4ee118de6736fd7678d0f0f4eab4d759f679c21",
                50,
            ),
            (
                "nvidia-cublas",
                "13.10.0.20",
                "win_amd64",
                "c310b749eea855b88fafb906de08d6819b87216c6711640771764fea5dcd8546",
                428,
            ),
            (
                "nvidia-curand",
                "10.4.5.25",
                "win_amd64",
                "f6a02a70f5b9715235df31a164a4bf3237a45be1600a5f435f5e4a0d8682eb22",
                78,
            ),
            (
                "nvidia-cudnn-cu13",
                "9.28.1.4",
                "win_amd64",
                "73d874c6bd8a1c75ca040228f77c4e163efe9bab3b65bd85914e2b7334ac68ee",
                408,
            ),
        ],
        _ => return None,
    };
    let wheel = |&(project, version, platform, sha256, megabytes)| Wheel {
        content: Content::Cuda,
        project,
        version,
        platform,
        sha256,
        megabytes,
    };
    Some(wheels.iter().map(wheel).collect())
}

/// The files of [`cuda`]'s wheels that ONNX Runtime's provider needs, in the order in which they are to be loaded:
/// each after those that it needs itself. The parts of cuDNN and the data of NVRTC find each other beside themselves
/// on Linux; Windows looks elsewhere.
pub(in crate::runtime) fn cuda_libraries(os: &str) -> &'static [&'static str] {
    match os {
        "linux" => &[
            "libcudart.so.13",
            "libnvrtc.so.13",
            "libcublasLt.so.13",
            "libcublas.so.13",
            "libcurand.so.10",
            "libcudnn.so.9",
        ],
        "windows" => &[
            "cudart64_13.dll",
            "nvrtc-builtins64_135.dll",
            "nvrtc64_130_0.dll",
            "cublasLt64_13.dll",
            "cublas64_13.dll",
            "curand64_10.dll",
            "cudnn_graph64_9.dll",
            "cudnn_ops64_9.dll",
            "cudnn_ext64_9.dll",
            "cudnn_cnn64_9.dll",
            "cudnn_adv64_9.dll",
            "cudnn_heuristic64_9.dll",
            "cudnn_engines_precompiled64_9.dll",
            "cudnn_engines_tensor_ir64_9.dll",
            "cudnn_engines_runtime_compiled64_9.dll",
            "cudnn64_9.dll",
        ],
        _ => &[],
    }
}

/// ONNX Runtime's provider for CUDA.
pub(super) fn cuda_provider(os: &str) -> &'static str {
    if os == "windows" { "onnxruntime_providers_cuda.dll" } else { "libonnxruntime_providers_cuda.so" }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYSTEMS: [&str; 2] = ["linux", "windows"];

    #[test]
    fn packages_of_wheels_come_for_two_systems_and_every_hash_is_whole() {
        for os in SYSTEMS {
            let wheels = [openvino(os, "x86_64").unwrap(), cuda(os, "x86_64").unwrap()].concat();
            for wheel in &wheels {
                let hex = wheel.sha256.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
                assert!(wheel.sha256.len() == 64 && hex, "{wheel:?}");
                assert!(wheel.megabytes > 0, "{wheel:?}");
                assert_eq!(wheel.platform.contains("win"), os == "windows", "{wheel:?}");
            }
            let mut hashes: Vec<&str> = wheels.iter().map(|wheel| wheel.sha256).collect();
            hashes.sort_unstable();
            hashes.dedup();
            assert_eq!(hashes.len(), wheels.len());
        }
        assert!(openvino("macos", "aarch64").is_none() && cuda("macos", "aarch64").is_none());
        assert!(cuda("linux", "aarch64").is_none());
    }

    #[test]
    fn cuda_is_the_same_wheels_on_both_systems() {
        let names = |os| {
            let wheels = cuda(os, "x86_64").unwrap();
            wheels.iter().map(|wheel| (wheel.project, wheel.version)).collect::<Vec<_>>()
        };
        assert_eq!(names("linux"), names("windows"));
        assert_eq!(names("linux")[0], ("onnxruntime-gpu", PINNED));
        // What the provider's library names as needed, cuDNN, and what cuDNN compiles kernels with.
        let needed = ["cuda-runtime", "cuda-nvrtc", "cublas", "curand", "cudnn-cu13"];
        for needed in needed.map(|name| format!("nvidia-{name}")) {
            assert!(names("linux").iter().any(|(name, _)| *name == needed), "{needed}");
        }
    }

    #[test]
    fn libraries_are_loaded_after_those_that_they_need() {
        for os in SYSTEMS {
            let names = cuda_libraries(os);
            let place = |part: &str| names.iter().position(|name| name.contains(part)).unwrap();
            // The sections NEEDED of the libraries on Linux.
            for (first, then) in [("cublasLt", "cublas."), ("cublasLt", "cublas64"), ("cudart", "curand")] {
                if names.iter().any(|name| name.contains(then)) {
                    assert!(place(first) < place(then), "{first} {then}");
                }
            }
            assert!(names.last().unwrap().contains("cudnn"));
        }
        assert!(cuda_libraries("macos").is_empty());
    }
}
