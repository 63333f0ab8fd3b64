// Package budget chooses which wheels fit a number of bytes: those with the
// most expected hits for their size, each with the wheels it needs.
//
// # Words
//
// A wheel has hits (how often it is expected to be wanted, in any unit), bytes
// (what stocking it adds to the disk) and needs (the wheels an installer will
// ask for with it). The threshold of a wheel is the smallest budget it is
// chosen under.
//
// # Promises
//
//   - Deterministic: the same wheels in any order give the same choice, on any
//     machine; all arithmetic is on whole numbers.
//   - Monotone: a larger budget never drops a wheel.
//   - No orphans: a chosen wheel's needs, and theirs, are chosen too.
//   - 100,000 wheels are ordered in less than a second.
//
// # How
//
// One order of all wheels is made that does not know the budget; a budget takes
// the longest beginning of it that fits. Next in the order is always the wheel
// which, together with those of its needs that are not placed yet, has the most
// hits per byte; so a heavy need is paid for once, by whoever comes first, and
// makes the others that need it cheap.
//
// # Limits
//
// Taking a beginning only leaves up to one group's bytes of the budget unused,
// where filling the gap with smaller wheels from further down would use them:
// that gain is what monotony costs (a larger budget would have to drop the
// fillers again). A wheel with more than 400 needs below it is never chosen.
// That the bytes of two wheels may share objects in the pool is for the caller
// to say in Bytes.
package budget
