"""Who uses the product, and what it costs them."""
