#include <array>
#include <dnnl.hpp>
#include <map>
#include <stdexcept>
#include <string>
#include <unordered_map>

#include "ripieno/kernels/cpu/gemm/convolution_library.h"
#include "ripieno/kernels/cpu/gemm/on_one_thread.h"
#include "ripieno/kernels/cpu/support/scratch.h"

namespace ripieno::kernels::cpu {

namespace {

using dnnl::memory;

const dnnl::engine& engine() {
  static const dnnl::engine of_cpu(dnnl::engine::kind::cpu, 0);
  return of_cpu;
}

// The arguments that describe a convolution, and its tensors as we store them: row-major.
struct Described {
  memory::dims strides, dilation, padding;
  memory::desc in, weight, bias, out;

  explicit Described(const ConvolutionShape& s)
      : strides{s.y.stride, s.x.stride},
        dilation{s.y.dilation - 1, s.x.dilation - 1},
        padding{s.y.padding, s.x.padding},
        in(plain({s.batch, s.inputs, s.y.in, s.x.in}, memory::format_tag::nchw)),
        weight(s.groups == 1
                   ? plain({s.outputs, s.inputs, s.y.kernel, s.x.kernel}, memory::format_tag::oihw)
                   : plain({s.groups, s.group_outputs(), s.group_inputs(), s.y.kernel, s.x.kernel},
                           memory::format_tag::goihw)),
        bias(plain({s.outputs}, memory::format_tag::x)),
        out(plain({s.batch, s.outputs, s.y.out, s.x.out}, memory::format_tag::nchw)) {}

  static memory::desc plain(const memory::dims& sizes, memory::format_tag tag) {
    return {sizes, memory::data_type::f32, tag};
  }
  static memory::desc any(const memory::desc& of) {
    return {of.dims(), memory::data_type::f32, memory::format_tag::any};
  }
};

// A description of the primitive, in which the library chooses the layouts. The first form is that
// of oneDNN 2, the second that of oneDNN 3.
template <typename Convolution, typename... Arguments>
typename Convolution::primitive_desc forward_like(const Arguments&... arguments) {
  if constexpr (requires { typename Convolution::desc; }) {
    return {typename Convolution::desc(arguments...), engine()};
  } else {
    return {engine(), arguments...};
  }
}

template <typename Convolution, typename... Arguments>
typename Convolution::primitive_desc backward_like(
    const dnnl::convolution_forward::primitive_desc& hint, const Arguments&... arguments) {
  if constexpr (requires { typename Convolution::desc; }) {
    return {typename Convolution::desc(arguments...), engine(), hint};
  } else {
    return {engine(), arguments..., hint};
  }
}

dnnl::convolution_forward::primitive_desc forward_of(const Described& d, bool has_bias) {
  constexpr auto kTraining = dnnl::prop_kind::forward_training;
  constexpr auto kDirect = dnnl::algorithm::convolution_direct;
  const memory::desc in = Described::any(d.in), weight = Described::any(d.weight),
                     out = Described::any(d.out);
  if (has_bias) {
    return forward_like<dnnl::convolution_forward>(kTraining, kDirect, in, weight, d.bias, out,
                                                   d.strides, d.dilation, d.padding, d.padding);
  }
  return forward_like<dnnl::convolution_forward>(kTraining, kDirect, in, weight, out, d.strides,
                                                 d.dilation, d.padding, d.padding);
}

dnnl::convolution_backward_data::primitive_desc input_gradient_of(const Described& d) {
  return backward_like<dnnl::convolution_backward_data>(
      forward_of(d, false), dnnl::algorithm::convolution_direct, Described::any(d.in),
      Described::any(d.weight), Described::any(d.out), d.strides, d.dilation, d.padding, d.padding);
}

dnnl::convolution_backward_weights::primitive_desc weight_gradient_of(const Described& d) {
  return backward_like<dnnl::convolution_backward_weights>(
      forward_of(d, false), dnnl::algorithm::convolution_direct, Described::any(d.in),
      Described::any(d.weight), Described::any(d.out), d.strides, d.dilation, d.padding, d.padding);
}

// A tensor of a primitive: the caller's if the layouts are equal, else a copy in scratch memory.
class Operand {
 public:
  Operand(const memory::desc& plain, const memory::desc& chosen, float* data, Scratch scratch_for)
      : plain_(plain, engine(), data), used_(plain_), copies_(!(plain == chosen)) {
    if (!copies_) return;
    const auto elements = static_cast<int64_t>(chosen.get_size() / sizeof(float)) + 1;
    used_ = memory(chosen, engine(), scratch<float>(scratch_for, elements));
  }
  void read(dnnl::stream& stream) {
    if (copies_) dnnl::reorder(plain_, used_).execute(stream, plain_, used_);
  }
  void write(dnnl::stream& stream) {
    if (copies_) dnnl::reorder(used_, plain_).execute(stream, used_, plain_);
  }
  const memory& used() const { return used_; }

 private:
  memory plain_, used_;
  bool copies_;
};

enum class Task { kForward, kForwardWithBias, kInputGradient, kWeightGradient };
using Key = std::array<int64_t, 17>;

Key key_of(Task task, const ConvolutionShape& s) {
  return {static_cast<int64_t>(task),
          s.batch,
          s.inputs,
          s.outputs,
          s.groups,
          s.y.in,
          s.y.out,
          s.y.kernel,
          s.y.stride,
          s.y.padding,
          s.y.dilation,
          s.x.in,
          s.x.out,
          s.x.kernel,
          s.x.stride,
          s.x.padding,
          s.x.dilation};
}

template <typename Convolution>
struct Prepared {
  typename Convolution::primitive_desc desc;
  Convolution primitive;

  explicit Prepared(typename Convolution::primitive_desc desc_) : desc(desc_), primitive(desc_) {}
};

// Primitives of this thread. A model has a bounded number of shapes; a program that does not is
// protected by starting again.
template <typename Convolution, typename Describe>
Prepared<Convolution>& prepared(const Key& key, const Describe& describe_primitive) {
  constexpr std::size_t kMost = 1024;
  thread_local std::map<Key, Prepared<Convolution>> known;
  if (const auto found = known.find(key); found != known.end()) return found->second;
  if (known.size() >= kMost) known.clear();
  return known.emplace(key, Prepared<Convolution>(describe_primitive())).first->second;
}

float* writable(const float* data) { return const_cast<float*>(data); }

template <typename Body>
void on_this_thread(const Body& body) {
  [[maybe_unused]] const detail::OnOneThread alone;
  thread_local dnnl::stream stream(engine());
  try {
    body(stream);
    stream.wait();
  } catch (const dnnl::error& error) {
    throw std::runtime_error("oneDNN: a convolution failed with status " +
                             std::to_string(error.status) + ": " + error.what());
  }
}

}  // namespace

bool library_convolves(const ConvolutionShape& shape) {
  // Small ones are as fast here, and need no copies to other layouts.
  constexpr int64_t kLarge = int64_t{1} << 16;
  return shape.out_size() * shape.weights() >= kLarge;
}

void convolve_by_library(float* out, const float* in, const float* weight, const float* bias,
                         const ConvolutionShape& shape) {
  on_this_thread([&](dnnl::stream& stream) {
    const Described d(shape);
    const Task task = bias ? Task::kForwardWithBias : Task::kForward;
    auto& convolution = prepared<dnnl::convolution_forward>(
        key_of(task, shape), [&] { return forward_of(d, bias != nullptr); });
    Operand x(d.in, convolution.desc.src_desc(), writable(in), Scratch::kConvolutionIn);
    Operand w(d.weight, convolution.desc.weights_desc(), writable(weight),
              Scratch::kConvolutionWeight);
    Operand y(d.out, convolution.desc.dst_desc(), out, Scratch::kConvolutionOut);
    x.read(stream);
    w.read(stream);
    std::unordered_map<int, memory> arguments = {
        {DNNL_ARG_SRC, x.used()}, {DNNL_ARG_WEIGHTS, w.used()}, {DNNL_ARG_DST, y.used()}};
    if (bias) arguments.emplace(DNNL_ARG_BIAS, memory(d.bias, engine(), writable(bias)));
    convolution.primitive.execute(stream, arguments);
    y.write(stream);
  });
}

void convolve_input_gradient_by_library(float* grad_in, const float* grad_out, const float* weight,
                                        const ConvolutionShape& shape) {
  on_this_thread([&](dnnl::stream& stream) {
    const Described d(shape);
    auto& convolution = prepared<dnnl::convolution_backward_data>(
        key_of(Task::kInputGradient, shape), [&] { return input_gradient_of(d); });
    Operand x(d.in, convolution.desc.diff_src_desc(), grad_in, Scratch::kConvolutionIn);
    Operand w(d.weight, convolution.desc.weights_desc(), writable(weight),
              Scratch::kConvolutionWeight);
    Operand y(d.out, convolution.desc.diff_dst_desc(), writable(grad_out),
              Scratch::kConvolutionOut);
    w.read(stream);
    y.read(stream);
    convolution.primitive.execute(stream, {{DNNL_ARG_DIFF_SRC, x.used()},
                                           {DNNL_ARG_WEIGHTS, w.used()},
                                           {DNNL_ARG_DIFF_DST, y.used()}});
    x.write(stream);
  });
}

void convolve_weight_gradient_by_library(float* grad_weight, const float* grad_out, const float* in,
                                         const ConvolutionShape& shape) {
  on_this_thread([&](dnnl::stream& stream) {
    const Described d(shape);
    auto& convolution = prepared<dnnl::convolution_backward_weights>(
        key_of(Task::kWeightGradient, shape), [&] { return weight_gradient_of(d); });
    Operand x(d.in, convolution.desc.src_desc(), writable(in), Scratch::kConvolutionIn);
    Operand w(d.weight, convolution.desc.diff_weights_desc(), grad_weight,
              Scratch::kConvolutionWeight);
    Operand y(d.out, convolution.desc.diff_dst_desc(), writable(grad_out),
              Scratch::kConvolutionOut);
    x.read(stream);
    y.read(stream);
    convolution.primitive.execute(stream, {{DNNL_ARG_SRC, x.used()},
                                           {DNNL_ARG_DIFF_WEIGHTS, w.used()},
                                           {DNNL_ARG_DIFF_DST, y.used()}});
    w.write(stream);
  });
}

}  // namespace ripieno::kernels::cpu
