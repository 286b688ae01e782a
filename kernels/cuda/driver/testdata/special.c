// The functions that answer: VERSION is the driver's, START the result of cuInit.
#ifndef START
#define START 0
#endif

int cuInit(unsigned flags) { return flags ? 1 : START; }

int cuDriverGetVersion(int *version) {
  *version = VERSION;
  return 0;
}

int cuGetErrorName(int result, const char **name) {
  *name = result == 100 ? "CUDA_ERROR_NO_DEVICE" : "CUDA_ERROR_UNKNOWN";
  return 0;
}

int cuGetErrorString(int result, const char **text) {
  *text = result == 100 ? "no CUDA-capable device is detected" : "unknown error";
  return 0;
}
