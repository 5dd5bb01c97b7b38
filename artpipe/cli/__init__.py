"""The command line: `artpipe demo`, `refresh`, `status`, `search`, `predict`, `models`, `serve` and so on."""
