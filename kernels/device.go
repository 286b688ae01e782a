package kernels

// Device computes. It is used by one goroutine at a time.
//
// Unless an operation says otherwise: tensors are Float32 and dense, outputs are overwritten, inputs and outputs do not
// overlap, and optional arguments are absent when they are the zero Tensor. "x += …" means that the result is added to
// what x holds. Maps are NHWC: [B, height, width, channels]. Images are [B, 3, height, width].
type Device interface {
	Storage
	Linear
	Transformer
	Decoder
	Grounder
	Optimiser
	Inference
}

// Storage moves values between the host and the device.
type Storage interface {
	// Name says which rung and instruction set or card this is, such as "cpu-avx512"; equal names (and builds) give equal bits.
	Name() string
	// Alloc returns a zeroed tensor.
	Alloc(dt DType, shape ...int) Tensor
	// Free gives memory of Alloc back; views of it are dead.
	Free(ts ...Tensor)
	// Peak returns the most bytes that were allocated at one time since the last ResetPeak, scratch space included.
	Peak() int64
	ResetPeak()
	// Upload copies a host slice ([]float32, []float64, []int32, []uint64) of t.Len() elements into t; src is free on return.
	Upload(t Tensor, src any)
	// Download waits for everything enqueued and copies t into a host slice of t.Len() elements.
	Download(dst any, t Tensor) error
	// Sync waits for everything enqueued.
	Sync() error
	// Zero fills t with zeros; Copy copies src (rows may be strided) to dst of the same rows and columns; AddTo computes dst += src.
	Zero(t Tensor)
	Copy(dst, src Tensor)
	AddTo(dst, src Tensor)
	// Close frees the device's own resources.
	Close() error
}

// Activation is the nonlinearity of a MatMul epilogue. C and CUDA know them by these numbers.
type Activation uint8

// The activations of CLIP's towers: OpenAI's models have x*sigmoid(1.702x) (tcl-spec section 1), most of open_clip's the exact
// GELU x*(1+erf(x/sqrt 2))/2.
const (
	NoActivation Activation = iota
	QuickGELU
	GELU
)

// MatMul configures C = A·B with its epilogue, applied in this order: + Bias, then Pre receives the value, then the
// activation (or its derivative), then + Residual.
type MatMul struct {
	TransA, TransB bool       // A is stored [K, M]; B is stored [N, K]
	Bias           Tensor     // [N], optional
	Act            Activation // applied to the sum
	Pre            Tensor     // [M, N], optional: with Act, written: the value before the activation. With ActGrad, read.
	ActGrad        Activation // the product is multiplied by the activation's derivative at Pre; not together with Act
	Residual       Tensor     // [M, N], optional; may be C itself
	Add            bool       // C += instead of C =
}

// Linear is matrix algebra on rows.
type Linear interface {
	// MatMul computes c [M, N] = a [M, K] · b [K, N] with the epilogue m. All matrices may be strided.
	MatMul(c, a, b Tensor, m MatMul)
	// ColumnSums computes out [N] += sum over rows of x [M, N], which may be strided: bias gradients.
	ColumnSums(out, x Tensor)
	// GatherRows copies row rows[i] of src [S, D] to row i of dst [R, D]; rows is Int32 [R].
	GatherRows(dst, src, rows Tensor)
	// ScatterRows computes dst[rows[i]] += src[i]; no row is named twice.
	ScatterRows(dst, src, rows Tensor)
	// CosineScores computes scores [B, N] = <x_i/max(|x_i|,1e-6), t_j/max(|t_j|,1e-6)> of x [B, E] and texts [N, E].
	CosineScores(scores, x, texts Tensor)
	// CosineScoresBackward computes dx [B, E] from dscores [B, N] (tcl-spec section 4); texts get no gradient.
	CosineScoresBackward(dx, dscores, scores, x, texts Tensor)
}

// AttentionShape describes multi-head attention: queries and keys a batch entry, heads of D/Heads channels.
type AttentionShape struct {
	Batch, Heads, Queries, Keys int
	Causal                      bool // query i sees keys 0..i; needs Queries == Keys
}

// Transformer is what the CLIP towers need (tcl-spec section 1). All layer norms have eps 1e-5 and biased variance.
type Transformer interface {
	// Patches unfolds images [B, 3, H, W] into dst [B*(H/p)*(W/p), 3*p*p], channel-major within a patch, as a convolution kernel is stored.
	Patches(dst, images Tensor, patch int)
	// PatchesBackward folds dpatches back into dimages.
	PatchesBackward(dimages, dpatches Tensor, patch int)
	// ImageTokens builds x [B, L, D]: row 0 is class [D] + position row 0, row 1+i is patches [B, L-1, D] row i + position row 1+i.
	ImageTokens(x, patches, class, position Tensor)
	// ImageTokensBackward: dpatches [B, L-1, D] = rows 1.. of dx (optional), dclass [D] += and dposition [L, D] += (optional).
	ImageTokensBackward(dpatches, dclass, dposition, dx Tensor)
	// EmbedTokens builds x [B, T, W] = table[tokens] + position[t]; tokens is Int32 [B, T], position [at least T, W].
	EmbedTokens(x, tokens, table, position Tensor)
	// EmbedTokensBackward: dtable += and dposition +=, in row order.
	EmbedTokensBackward(dtable, dposition, dx, tokens Tensor)
	// LayerNorm normalises the rows of x [R, D]; stats [R, 2] (optional) receives mean and 1/std.
	LayerNorm(y, stats, x, gamma, beta Tensor)
	// LayerNormBackward: dx +=, and dgamma +=, dbeta += (both optional).
	LayerNormBackward(dx, dgamma, dbeta, dy, x, stats, gamma Tensor)
	// Attention computes out [B*Queries, D] from q [B*Queries, D], k and v [B*Keys, D], which may be strided, scaled by
	// 1/sqrt(D/Heads). lse [B, Heads, Queries] (optional) receives the log of each row's sum of exponentials.
	Attention(out, lse, q, k, v Tensor, s AttentionShape)
	// AttentionBackward computes dq, dk, dv (which may be strided) from dout.
	AttentionBackward(dq, dk, dv, dout, out, lse, q, k, v Tensor, s AttentionShape)
}

// Decoder is the gated convolution decoder (tcl-spec section 2.4). Weights are [out, in, 3, 3], padding is 1, gate is a
// scalar tensor g that scales by tanh(g). Layer norm and GELU run before the upsampling, which changes no number.
type Decoder interface {
	// LayerNormGELU computes y = GELU(LayerNorm(x)) over rows, with the exact erf form; stats as in LayerNorm.
	LayerNormGELU(y, stats, x, gamma, beta Tensor)
	// LayerNormGELUBackward: dx +=, dgamma +=, dbeta +=.
	LayerNormGELUBackward(dx, dgamma, dbeta, dy, x, stats, gamma, beta Tensor)
	// Conv3x3 computes out [B, H, W, Co] = residual + tanh(gate)*(conv(in, weight) + bias).
	Conv3x3(out, in, weight, bias, gate, residual Tensor)
	// Conv3x3InputGrad computes din [B, H, W, Ci] = tanh(gate) * conv transposed(dout).
	Conv3x3InputGrad(din, dout, weight, gate Tensor)
	// Conv3x3WeightGrad computes dweight and dbias of the ungated convolution: GateBackward scales them.
	Conv3x3WeightGrad(dweight, dbias, in, dout Tensor)
	// UpConv3x3 computes out [B, 2H, 2W, Co] = up(residual [B, H, W, Co]) + tanh(gate)*(conv(up(in [B, H, W, Ci])) + bias), up
	// being nearest x2, as four 2x2 convolutions on the small map: 3x3 rows fold to {w0 | w1+w2} and {w0+w1 | w2}.
	UpConv3x3(out, in, weight, bias, gate, residual Tensor)
	// UpConv3x3InputGrad computes din [B, H, W, Ci] from dout [B, 2H, 2W, Co].
	UpConv3x3InputGrad(din, dout, weight, gate Tensor)
	// UpConv3x3WeightGrad is Conv3x3WeightGrad of the upsampled input: the transpose of the fold.
	UpConv3x3WeightGrad(dweight, dbias, in, dout Tensor)
	// UpsampleBackward computes dx [B, H, W, C] += the sums over 2x2 blocks of dy [B, 2H, 2W, C].
	UpsampleBackward(dx, dy Tensor)
	// GateBackward: dgate = (1-tanh(g)^2) * (<dweight, weight> + <dbias, bias>), which equals <dout, conv>; then dweight and
	// dbias are multiplied by tanh(g) in place. The inner products are summed in Float64 in fixed blocks.
	GateBackward(dgate, dweight, dbias, weight, bias, gate Tensor)
}

// Masks are the inputs of the fused mask operations (tcl-spec sections 2.6, 2.7, 3): B images of Height*Width = P
// positions against N texts. Soft masks m_ijp = sigmoid(Scale*s_ijp + Bias) are made tile by tile and never stored.
type Masks struct {
	Pixels        Tensor // v [B, P, E], not normalised
	Texts         Tensor // t [N, E], not normalised
	Scale, Bias   Tensor // w and b, scalars
	Noise         Tensor // u [B, P], uniforms of the positive pairs
	First         int    // image i belongs to text First+i
	Height, Width int
	Tau           float32 // temperature of the Gumbel-sigmoid
}

// MaskResults are the outputs of GroundMasks.
type MaskResults struct {
	Scores Tensor // S [B, N]: cosine of the pooled feature f_ij = sum_p m v/(sum_p m + 1e-6) with text j
	Hard   Tensor // h [B, P]: 1 where y > 0.5, else 0
	Soft   Tensor // y [B, P]: the Gumbel-sigmoid of the positive pairs
	Sums   Tensor // Float64 [3]: mean of m over the positive pairs, over the negative pairs (0 when N = 1), and the total variation of all m
}

// MaskGrads are what flows back into the masks. Area and TV are coefficients a value, sign and weight included:
// AreaPos = weight*sign/(B*P), AreaNeg = weight*sign/(B*(N-1)*P), TVX = weight/(B*N*Height*(Width-1)), TVY likewise.
type MaskGrads struct {
	Scores           Tensor // dS [B, N]
	Hard             Tensor // dh [B, P]
	AreaPos, AreaNeg float32
	TVX, TVY         float32
}

// Grounder is the text grounding: similarities, masks, losses.
type Grounder interface {
	// GroundMasks computes the feature-level scores, hard masks and mask sums. Scratch space does not grow with N.
	GroundMasks(r MaskResults, in Masks)
	// GroundMasksBackward computes dpixels [B, P, E], dscale and dbias (scalars), making the soft masks again.
	GroundMasksBackward(dpixels, dscale, dbias Tensor, g MaskGrads, r MaskResults, in Masks)
	// MaskImages computes out [B, 3, H, W] = images times the masks hard [B, h*w], resized to H x W by nearest neighbour.
	MaskImages(out, images, hard Tensor, h, w int)
	// MaskImagesBackward computes dhard [B, h*w] from dout.
	MaskImagesBackward(dhard, dout, images Tensor, h, w int)
	// TotalVariation computes sum (Float64 [1]) = mean|x step| + mean|y step| of maps x [B, H, W, C].
	TotalVariation(sum, x Tensor)
	// TotalVariationBackward computes dx += weight * the gradient of TotalVariation.
	TotalVariationBackward(dx, x Tensor, weight float32)
	// ExpColumns computes columns (Float64 [N]) = sum_i exp(a*S_ij - a) over the rows of scores [B, N], in row order;
	// a = min(exp(logitScale), 100). logitScale is a scalar.
	ExpColumns(columns, scores, logitScale Tensor)
	// InfoNCE computes, from the column sums of the whole batch and this lane's rows (image i belongs to column first+i):
	// loss (Float64 [1]), this lane's share of the symmetric loss; dscores = weight*a(R+Q-2I)/2N; dlogitScale (scalar), its
	// share times weight, 0 where a is clamped (design.md section 1).
	InfoNCE(loss, dscores, dlogitScale, scores, logitScale, columns Tensor, first int, weight float32)
}

// AdamW holds one group's numbers for one step (tcl-spec section 6). Bias corrections are 1-beta^t.
type AdamW struct {
	Rate, Beta1, Beta2, Epsilon, Decay, Correction1, Correction2 float64
	MaxNorm                                                      float64 // gradients are scaled by min(1, MaxNorm/(norm+1e-6))
}

// Optimiser applies updates and makes digests.
type Optimiser interface {
	// SquaredNorm computes sum (Float64 [1]) = sum of squares of x, in fixed blocks of 65536 elements, each and all in order.
	SquaredNorm(sum, x Tensor)
	// AdamW updates p, m1, m2 [n] in place from the gradient g [n]; squared is the Float64 [1] squared norm of the whole
	// gradient. p -= Rate*Decay*p, then p -= Rate * (m1/Correction1) / (sqrt(m2/Correction2) + Epsilon).
	AdamW(p, m1, m2, g, squared Tensor, a AdamW)
	// BlockDigests computes digests (Uint64 [ceil(n/16384)]) of the bits of x [n], one for each 64 KiB: see BlockDigest.
	BlockDigests(digests, x Tensor)
}

// Resampling selects the interpolation of Resize.
type Resampling uint8

// The interpolations, as PyTorch defines them: bicubic has a = -0.75 and no aligned corners.
const (
	Nearest Resampling = iota
	Bilinear
	BilinearAligned
	Bicubic
)

// PAMR configures pixel-adaptive mask refinement (tcl-spec section 8).
type PAMR struct {
	Dilations  []int
	Iterations int
}

// Inference is what only segmentation needs.
type Inference interface {
	// Similarity computes s [B, N, P] of pixels [B, P, E] and texts [N, E], both normalised on the way (floor 1e-6).
	Similarity(s, pixels, texts Tensor)
	// Resize resamples planes src [C, h, w] to dst [C, H, W].
	Resize(dst, src Tensor, how Resampling)
	// RefineMasks refines masks [N, h, w] in place by the affinities of image [3, h, w].
	RefineMasks(masks, image Tensor, p PAMR)
}
