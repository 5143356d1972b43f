//! What computes, and how exactly: plain values. Knows nothing of sessions.

use std::fmt;
use std::str::FromStr;

/// What computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Device {
    /// CUDA where it truly loads, the processor otherwise; with [`Precision::Fast`] what measured fastest, and with one of
    /// the shorter formats the first that has it.
    #[default]
    Auto,
    /// The processor, with ONNX Runtime's own kernels.
    Cpu,
    /// The processor, with OpenVINO's kernels.
    OpenVino,
    /// A CUDA device by its number.
    Cuda(u32),
}

/// How exactly networks are computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Float32 arithmetic everywhere.
    #[default]
    Exact,
    /// What measured fastest on this machine, of float32 and shorter formats; float32 until something was measured.
    Fast,
    /// Bfloat16 where the device has it for a layer, float32 elsewhere.
    Bfloat16,
    /// Float16 where the device has it for a layer, float32 elsewhere; on CUDA TF32 there.
    Float16,
}

impl Device {
    /// Whether it has kernels for a precision; [`Device::Auto`] stands for the processor.
    pub(super) fn computes(self, precision: Precision) -> bool {
        match (self, precision) {
            (_, Precision::Exact | Precision::Fast) | (Device::OpenVino, _) => true,
            (Device::Cuda(_), precision) => precision == Precision::Float16,
            // On x86-64 ONNX Runtime's own kernels know float32 only.
            (Device::Auto | Device::Cpu, precision) => {
                precision == Precision::Bfloat16 && cfg!(target_arch = "aarch64")
            }
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Device::Auto => f.write_str("auto"),
            Device::Cpu => f.write_str("cpu"),
            Device::OpenVino => f.write_str("openvino"),
            Device::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

/// Why a text names no device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnknownDevice {
    /// What follows `cuda:` is no number.
    #[error("`{0}` is no number of a device")]
    Number(String),
    /// No such kind of device is known.
    #[error("known are auto, cpu, cuda (the first NVIDIA GPU), cuda:N (another) and openvino")]
    Kind,
}

/// A text that names no precision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("known are exact, fast, bfloat16 and float16")]
pub struct UnknownPrecision;

impl FromStr for Device {
    type Err = UnknownDevice;

    fn from_str(text: &str) -> Result<Device, UnknownDevice> {
        match text.split_once(':') {
            None if text == "auto" => Ok(Device::Auto),
            None if text == "cpu" => Ok(Device::Cpu),
            None if text == "openvino" => Ok(Device::OpenVino),
            None if text == "cuda" => Ok(Device::Cuda(0)),
            Some(("cuda", number)) => {
                number.parse().map(Device::Cuda).map_err(|_| UnknownDevice::Number(number.into()))
            }
            _ => Err(UnknownDevice::Kind),
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Precision::Exact => "exact",
            Precision::Fast => "fast",
            Precision::Bfloat16 => "bfloat16",
            Precision::Float16 => "float16",
        })
    }
}

impl FromStr for Precision {
    type Err = UnknownPrecision;

    fn from_str(text: &str) -> Result<Precision, UnknownPrecision> {
        match text {
            "exact" => Ok(Precision::Exact),
            "fast" => Ok(Precision::Fast),
            "bfloat16" => Ok(Precision::Bfloat16),
            "float16" => Ok(Precision::Float16),
            _ => Err(UnknownPrecision),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precisions_read_back_as_they_are_shown() {
        for precision in [Precision::Exact, Precision::Fast, Precision::Bfloat16, Precision::Float16] {
            assert_eq!(precision.to_string().parse(), Ok(precision));
        }
        assert_eq!("half".parse::<Precision>(), Err(UnknownPrecision));
    }

    #[test]
    fn devices_read_back_as_they_are_shown() {
        for device in [Device::Auto, Device::Cpu, Device::OpenVino, Device::Cuda(0), Device::Cuda(3)] {
            assert_eq!(device.to_string().parse(), Ok(device));
        }
        assert_eq!("cuda".parse(), Ok(Device::Cuda(0)));
        assert_eq!("cuda:x".parse::<Device>(), Err(UnknownDevice::Number("x".into())));
        assert!("tpu".parse::<Device>().is_err() && "cpu:1".parse::<Device>().is_err());
    }
}
