package torch

// Limits bound what a hostile file can cost. ViT-L/14 with its optimiser has 3 000 tensors, a pickle of 1 MB and 60 000
// objects.
const (
	maxMembers     = 65536
	maxPickleBytes = 16 << 20
	maxObjects     = 1 << 19
	maxMarks       = 4096
	maxRank        = 8
	maxDepth       = 64
	maxTensors     = 65536
	maxNameBytes   = 1024
	maxExpansion   = 8 // unpacked bytes for each byte of the file
	maxSharing     = 4 // bytes of tensors for each byte of storages
)
