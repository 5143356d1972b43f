//! A typed writer of ONNX graphs. Knows nothing of detection.
