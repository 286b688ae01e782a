// Package checkpoint keeps training states in a store so that a run can be killed at any moment and resume exactly.
//
// A checkpoint consists of volumes and is sealed by its manifest. Volumes are safetensors files cut by the parameter list
// alone (PlanVolumes), so any number of workers write them in parallel (WriteVolume), each under a prefix of its own that
// is never overwritten. The coordinator collects their records and creates MANIFEST.json last and only if it is absent
// (Seal); before that object exists there is no checkpoint, after it there is a whole one. A manifest holds every digest,
// the scalar state as exact bits, and a state digest that determinism makes unique for its lineage and step: two writers
// that race to seal the same state are harmless, two different states are an alarm. A coordinator that was taken for dead
// is fenced by epoch tokens (ClaimEpoch).
//
// Reading trusts nothing: Latest walks the manifests newest first, verifies sizes, digests and finiteness, and says what
// it skipped and why. Retention deletes only behind newer checkpoints that it has read back, manifest before volumes, and
// sweeps what abandoned saves left. Workers call WriteVolume and Load, the coordinator the rest; package cmd lists,
// verifies, compares, copies and exports.
//
//	runs/<run>/lineages/<L>/epoch/<E>                                        fencing tokens
//	runs/<run>/lineages/<L>/ckpt/<step>/<E>-<nonce>/volume-00000.safetensors written first
//	runs/<run>/lineages/<L>/ckpt/<step>/MANIFEST.json                        created last
package checkpoint
