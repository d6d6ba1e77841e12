"""What the other end does: receive, remember, reason, speak, stream back."""
