"""What photos suffer before they are enlarged: blur, noise, shrinking and compression."""
