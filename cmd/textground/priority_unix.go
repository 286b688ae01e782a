//go:build unix

package main

import "syscall"

// lowerPriority makes this process, all threads that it has and will have, give way to everybody else. The process must
// have a group of its own, as detach gives it.
func lowerPriority() { _ = syscall.Setpriority(syscall.PRIO_PGRP, 0, 19) }
