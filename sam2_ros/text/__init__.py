"""Words become boxes: an open-vocabulary detector of Hugging Face transformers; no ROS."""
