// Losses that compare embeddings: cosine similarity, triplets, and InfoNCE over all ranks.
#pragma once

#include "ripieno/core/loss.h"

namespace ripieno {

// The cosine of the angle between a and b along the last axis, where a norm counts as at least
// `smallest`; one kernel.   a, b: (…, channels), of one floating-point type and device -> (…).
// Throws Error for others.
Tensor cosine_similarity(const Tensor& a, const Tensor& b, double smallest = 1e-8);

// The sum of 1 - cosine for pairs whose label is 1, and of max(0, cosine - margin) for those whose
// label is -1; the count is the number of pairs.   a, b: (…, channels); labels: (…), of any type.
Loss cosine_embedding_loss(const Tensor& a, const Tensor& b, const Tensor& labels,
                           double margin = 0.0);

struct TripletMarginOptions {
  double margin = 1.0;
  double epsilon = 1e-6;  // added to differences, so that the distance of equal rows has a gradient
  // Uses the smaller of both distances to the negative (Balntas et al., 2016).
  bool swap = false;
};

// The sum of max(0, |anchor - positive| - |anchor - negative| + margin), with Euclidean distances
// (Schroff et al., 2015, arXiv 1503.03832); the count is the number of triplets. Composed of
// element-wise operations.   all: (…, channels), of one shape, type and device.
Loss triplet_margin_loss(const Tensor& anchor, const Tensor& positive, const Tensor& negative,
                         const TripletMarginOptions& options = {});

// The keys of all ranks, for info_nce(); distributed/gathered_rows.h implements it.
class RowExchange {
 public:
  virtual ~RowExchange() = default;
  // The rows of all ranks in rank order, (ranks * rows, channels), of dense `rows`, (rows,
  // channels); every rank has as many. Not recorded. A collective, as is the other one.
  virtual Tensor gather(const Tensor& rows) = 0;
  // The sum over ranks of `gradients` (ranks * rows, channels), of which this rank receives its own
  // rows, (rows, channels).
  virtual Tensor sum_own(const Tensor& gradients) = 0;
  // The number of rows of the ranks before this one, if each has `rows`.
  virtual int64_t first_row(int64_t rows) const = 0;
};

struct InfoNceOptions {
  double temperature = 0.07;
  // Also scores each key against all queries, as CLIP does (Radford et al., 2021), and adds half of
  // both losses.
  bool symmetric = false;
  // Null: the keys of this call only. Must outlive the backward.
  RowExchange* exchange = nullptr;
};

// The cross entropy of each query's scores, its products with all keys divided by the temperature,
// with its own key as the target (van den Oord et al., 2018, arXiv 1807.03748). The count is the
// number of queries. Embeddings are usually normalized first. With an exchange, keys of all ranks
// are candidates; gradients of the sum over ranks of the losses are exact.
//   queries, keys: (rows, channels), of one floating-point type and device
Loss info_nce(const Tensor& queries, const Tensor& keys, const InfoNceOptions& options = {});

}  // namespace ripieno
