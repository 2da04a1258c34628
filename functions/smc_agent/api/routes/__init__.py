"""One router a controller."""
