"""Whether a photograph shows this very painting: local features, visual words, geometry."""
