package pypi

import (
	"slices"

	"larder/builder"
	"larder/builder/pypi/wheel"
)

// What a wheel becomes on disk besides itself, in hundredths of its size, with the blocks that its files
// round up to and the image's rows of them. What decides is whether it holds machine code: the sources of
// the others pack well and have bytecode, except the largest, which are mostly data. Measured by stocking the most
// downloaded projects in five stores, 893 wheels with layers: those without machine code became 9 to 10 times as
// much, 4 times those of more than 5 MB; those with it 3.8 to 4.7 times; eight more of 58 to 717 MB unpack to 1.3
// to 3.7 times their size, 1.8 all in all. The five estimates are 0.90 to 1.09 of the disk, their sum all of it.
var (
	pureKind   = kind{unpacked: 420, bytecode: 460, usual: 2_000_000, beyond: 300}
	nativeKind = kind{unpacked: 330, bytecode: 70, usual: 50_000_000, beyond: 150}
)

type kind struct {
	unpacked int64 // its files, shared by all targets it is for
	bytecode int64 // and their bytecode, for each
	usual    int64 // bytes of a wheel of which that is true
	beyond   int64 // of what it has more, all in all
}

// entriesBytes is what a wheel takes in the views besides its bytes: some small files, a block each, and the
// image's rows. Measured on the 460, kept packed.
const entriesBytes = 28_000

// sharedPercent is what the layers of an older version add to those of newer ones: the rest is the same
// files. Of the 460 wheels, 11 of a project, the next older series adds 69, an older patch 39.
const sharedPercent = 65

// Disk implements builder.Estimator.
func (w *world) Disk(a builder.Artifact, layers, copies int) int64 {
	return packedBytes(a.Size, copies) + unpackedBytes(a.Filename, a.Size, layers)
}

// packedBytes estimates what stocking a wheel adds to the disk: the wheel (the entries of wheels, pip and
// simple share it), its entries, and the views' copies of it.
func packedBytes(size int64, copies int) int64 {
	return max(0, size)*int64(1+copies) + entriesBytes
}

// unpackedBytes estimates what so many layers of a wheel add. What they share with other wheels' is known
// only once they are unpacked.
func unpackedBytes(filename string, size int64, layers int) int64 {
	if size <= 0 || layers == 0 {
		return 0
	}
	k := pureKind
	if native(filename) {
		k = nativeKind
	}
	usual := min(size, k.usual)
	return (usual*(k.unpacked+int64(layers)*k.bytecode) + (size-usual)*k.beyond) / 100
}

// native says whether a wheel is for a platform, by its name: it holds machine code.
func native(filename string) bool {
	n, err := wheel.ParseName(filename)
	return err == nil && !slices.Contains(n.Platform, "any")
}
