"""What people see of the API: pages made here, with little script, and nothing from elsewhere."""
