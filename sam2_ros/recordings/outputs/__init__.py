"""What labels are written as: one module for each format."""
