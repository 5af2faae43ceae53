"""Chat templates: code beside the weights, which must put one frame around whatever a message says."""
