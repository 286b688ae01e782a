// Package sim runs the whole control protocol under faults, in one goroutine and in virtual time: the real
// coordinator/core and the real sum tree of package exchange, with models of the network, of workers, of the exchange hub
// and of the store around them. One seed is one history, the same on every machine.
//
// The network drops, doubles, delays and reorders messages and cuts links in one direction; workers and coordinators
// crash, restart as other processes, and are paused; stores fail; lanes are not finite; runs are stopped and resumed on another number of
// workers. Lanes contribute float32 values whose sum depends on the order of addition. After every event these must hold:
// each lane is counted exactly once in a step, a committed digest equals that of an undisturbed run, a step never has two
// digests, no manifest names a volume that is missing or another state, and no member lacks the committed state. Once the faults stop, a step must be committed within [Liveness] until the run is done.
//
// [Run] plays one seed. The tests call it; a [Mutation] breaks a part on purpose, to see that the checks notice. Seeds that
// once failed are kept in testdata/seeds.txt and always run.
package sim
