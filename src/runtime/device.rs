//! What computes, and how exactly: plain values. Knows nothing of sessions.

use std::fmt;
use std::str::FromStr;

/// What computes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Device {
    /// CUDA where it truly loads, the processor otherwise; with [`Precision::Fast`], OpenVINO before ONNX Runtime's
    /// own kernels where it is installed.
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
    /// Whatever the device does fastest: bfloat16 or TF32 where it has them.
    Fast,
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
#[error("known are exact and fast")]
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
        })
    }
}

impl FromStr for Precision {
    type Err = UnknownPrecision;

    fn from_str(text: &str) -> Result<Precision, UnknownPrecision> {
        match text {
            "exact" => Ok(Precision::Exact),
            "fast" => Ok(Precision::Fast),
            _ => Err(UnknownPrecision),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
