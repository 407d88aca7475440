"""Official DINOv2 and SAM checkpoints -> the ONNX graphs that AP-MedSAM runs. See ../README.md."""
