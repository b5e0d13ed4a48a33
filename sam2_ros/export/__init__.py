"""The network as ONNX files, for runtimes other than PyTorch; needs the extra `export` of setup.cfg."""
