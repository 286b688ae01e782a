// The exact GELU x*Phi(x), Phi being the normal distribution: of the decoder's layer norms, and of CLIPs that have it.
#pragma once

__device__ inline float normal_cdf(float x) { return 0.5f * erff(x * 0.70710678f) + 0.5f; }

// The slope of GELU is Phi(x) + x*phi(x).
__device__ inline float gelu_slope(float x) { return normal_cdf(x) + x * (expf(-0.5f * x * x) * 0.39894228f); }
