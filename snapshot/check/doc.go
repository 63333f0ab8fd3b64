// Package check finds damage in a store.
//
// The quick check looks at what costs little: that every snapshot's image has the digest its name
// says, that it can be read, that its manifest can, and that every object it names is a plain file
// of the right size, mode and owner. It does not see a changed byte in an object: neither the
// kernel nor EROFS would say anything either.
//
// With no snapshot named it also looks at the store around them: that current leads somewhere,
// that every directory of the layout is there with its owner and mode, that every lease can be
// read.
//
// The full check reads every object of the pool, those no snapshot names included, because a
// later build would take them for good.
//
// A finding names the object, the snapshots, the paths, and the command that mends it; Uses has every
// file that is affected, for whoever mends it. It is damage
// when something that a store promises is missing or not what it was. What is harmless (a file among the
// objects whose name is no object, a snapshot of an older format) is named too. Nor is it damage to have a
// snapshot without a current one while the store's first build is at work, or after it was killed.
// An error of the host (no memory, too many open files) ends the check: it says nothing.
//
// Nothing is changed. It may run beside a build, gc and containers: what is gone because gc took
// the whole snapshot meanwhile is no finding.
package check
