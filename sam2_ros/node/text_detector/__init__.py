"""The node `sam2_text_detector`: words in, boxes out."""
