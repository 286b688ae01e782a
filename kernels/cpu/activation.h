// The activations of CLIP's towers and of the decoder, and their slopes.
#ifndef TG_ACTIVATION_H
#define TG_ACTIVATION_H

#include "op.h"
#include "simd.h"

// quick_gelu is x*sigmoid(1.702x) (tcl-spec section 1).
TG_INLINE vf TG(quick_gelu)(vf x) { return x * vf_sigmoid(x * 1.702f); }

TG_INLINE vf TG(quick_gelu_slope)(vf x) {
  vf s = vf_sigmoid(x * 1.702f);
  return s * vf_fma(x * 1.702f, 1.f - s, vf_set1(1));
}

// normal_cdf is Phi(x) = (1 + erf(x/sqrt 2))/2.
TG_INLINE vf TG(normal_cdf)(vf x) { return vf_fma(vf_erf(x * 0.70710678f), vf_set1(0.5f), vf_set1(0.5f)); }

// gelu is x*Phi(x), its slope Phi(x) + x*phi(x).
TG_INLINE vf TG(gelu)(vf x) { return x * TG(normal_cdf)(x); }

TG_INLINE vf TG(gelu_slope)(vf x) {
  vf density = vf_exp(x * x * -0.5f) * 0.39894228f;
  return vf_fma(x, density, TG(normal_cdf)(x));
}

#endif
