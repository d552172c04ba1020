"""Makes estates of any size: believable physics, and planted flaws whose outcome is known."""
