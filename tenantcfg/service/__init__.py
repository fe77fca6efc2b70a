"""
The service: the check over HTTP, one module for each contract.
"""
