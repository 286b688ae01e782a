// Package fault lets tests kill a process, or spoil a number, at a named point of a step. It does something only in
// binaries built with the tag faults; elsewhere every call is an empty function.
//
// TEXTGROUND_FAULT holds a comma-separated list of point@step[/worker], for example "before-apply@3/worker-2": the first
// time the process called worker-2 passes the point in step 3 it writes the file TEXTGROUND_FAULT_DIR/point@step, so that a
// test can assert that the point fired, and kills itself with SIGKILL. A point whose file exists does not fire again.
package fault
