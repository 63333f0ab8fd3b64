// Package check finds damage in a store.
//
// The quick check looks at what costs little: that every snapshot's image has the digest its name
// says, that it can be read, that its manifest can, and that every object it names is a plain file
// of the right size, mode and owner. It does not see a changed byte in an object: neither the
// kernel nor EROFS would say anything either.
//
// The full check reads every object of the pool, those no snapshot names included, because a
// later build would take them for good.
//
// A finding names the object, the snapshots and the paths. Nothing is changed. It may run beside a
// build, gc and containers: what is gone because gc took the whole snapshot meanwhile is no finding.
package check
