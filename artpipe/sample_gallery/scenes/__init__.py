"""What the pictures of the sample gallery show: parts drawn at any place and size, and compositions of them."""
