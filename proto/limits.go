package proto

import "time"

// Limits that both sides of the bus keep.
const (
	ChunkBytes    = 512 << 10 // payload of one bulk message
	WindowChunks  = 8         // chunks a sender may have beyond the lowest incomplete one
	MaxLanes      = 4096
	MaxMessage    = ChunkBytes + 4096
	LossTerms     = 8                      // float64 values in the tail of the gradients
	MaxBehind     = 4                      // steps a follower may lag before it takes a newer snapshot
	ResendEvery   = 500 * time.Millisecond // orders and reports
	Silence       = 3 * time.Second        // a worker unheard for so long is no member
	CollectFor    = 3 * time.Second        // how long a new coordinator listens for living state
	OrphanedFor   = 60 * time.Second       // how long a worker waits for a coordinator
	SealWithin    = 30 * time.Second       // saves at the end and on SIGTERM
	DeathsPerLane = 3                      // under one lane within one step: then the run stops and names it
)
