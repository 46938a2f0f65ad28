"""How rough a series is: four estimators of the Hurst exponent of log realized variance, with standard errors.

Source: Dhansoia (2025), sections 3.1 and 4.2; ``docs/methods/roughness.md`` has equations, choices and bias tables.
"""
