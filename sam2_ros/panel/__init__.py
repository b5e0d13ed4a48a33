"""The panel: a web page with the live picture, its masks and the objects; clicks on it are prompts for the tracker."""
