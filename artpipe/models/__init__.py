"""What a model is: backbone, network, transforms, its saved form, and which models a lake holds and serves."""
