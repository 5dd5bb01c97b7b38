"""Every picture and plot that is drawn for people. Each function returns PNG bytes."""
