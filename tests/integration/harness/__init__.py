"""Real servers and programs for integration tests: started on demand, ended by the test."""
