// Streams. Work runs in the order of its stream, as late as the driver's rules allow: so a host buffer that is reused
// too early, or read too early, shows.
#include "driver.h"

namespace tg {

// A card's queue is finite too: a stream with this much waiting work runs the older half of it.
constexpr size_t kMostWaiting = 512;

static void runOp(const std::shared_ptr<Op> &op) {
  for (const auto &first : op->after) finish(first->stream, first);
  op->after.clear();
  CUcontext c = op->stream->context;
  if (c->broken == CUDA_SUCCESS) {
    const std::string wrong = op->work();
    if (!wrong.empty()) {
      c->broken = CUDA_ERROR_LAUNCH_FAILED;
      fprintf(stderr, "emulator: %s (TG_EMU_SEED=%llu)\n", wrong.c_str(), (unsigned long long)c->settings.seed);
    }
  }
  op->done = true;
  op->work = nullptr;
}

void advance(CUstream stream) {
  const std::shared_ptr<Op> op = stream->queue.front();
  runOp(op);
  stream->queue.pop_front();
}

void finish(CUstream stream, const std::shared_ptr<Op> &op) {
  while (!stream->queue.empty() && (op == nullptr || !op->done)) advance(stream);
}

void finishBlocking(CUcontext context) {
  for (CUstream s : context->streams) {
    if (s->blocking) finish(s, nullptr);
  }
  finish(&context->standard, nullptr);
}

void finishAll(CUcontext context) {
  for (CUstream s : context->streams) finish(s, nullptr);
  finish(&context->standard, nullptr);
}

static void follow(const std::shared_ptr<Op> &op, CUstream earlier) {
  if (!earlier->queue.empty() && earlier != op->stream) op->after.push_back(earlier->queue.back());
}

std::shared_ptr<Op> mark(CUstream stream, std::function<std::string()> work) {
  auto op = std::make_shared<Op>();
  op->work = std::move(work);
  op->stream = stream;
  CUcontext c = stream->context;
  if (stream == &c->standard) {
    for (CUstream s : c->streams) {
      if (s->blocking) follow(op, s);
    }
  } else if (stream->blocking) {
    follow(op, &c->standard);
  }
  stream->queue.push_back(op);
  if (!c->settings.lazy) finish(stream, op);
  if (stream->queue.size() > kMostWaiting) finish(stream, stream->queue[kMostWaiting / 2]);
  return op;
}

CUresult enqueue(CUstream stream, std::function<std::string()> work) {
  if (stream->capture != nullptr) {
    stream->capture->nodes.push_back(std::move(work));
    return CUDA_SUCCESS;
  }
  mark(stream, std::move(work));
  return stream->context->settings.lazy ? CUDA_SUCCESS : stream->context->broken;
}

}  // namespace tg
