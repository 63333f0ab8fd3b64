package overlay

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// mountChowned mounts a copy of an image in which every file belongs to owner, for kernels whose
// EROFS has no idmapped mounts. The copy is in memory, for as long as it is mounted: 12 MB for 36,000
// files. Nobody else can have written it, so there is nothing to check and nothing to collect.
func mountChowned(path string, owner Owner) (*os.File, error) {
	fd, err := openImageFile(path)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		return nil, err
	}
	if err := chown(b, owner); err != nil {
		return nil, fmt.Errorf("copy image %s: %w", path, err)
	}
	fd, err = unix.MemfdCreate("larder-image", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, newError("memfd_create", "", "", "", err)
	}
	memory := os.NewFile(uintptr(fd), path)
	defer memory.Close()
	if _, err := memory.Write(b); err != nil {
		return nil, err
	}
	return mountLoop(fd)
}

// erofs is an image's bytes. The layout is that of the kernel's fs/erofs/erofs_fs.h, as far as an
// image without data has it.
type erofs struct {
	b     []byte
	block uint64 // bytes of a block
	meta  uint64 // where inode 0 is
	owner Owner
	seen  map[uint64]bool
}

// chown gives every inode that the root leads to to owner.
func chown(b []byte, owner Owner) error {
	const superblock, bits, root, meta = 1024, 12, 14, 40
	if len(b) < superblock+128 {
		return ErrDamaged
	}
	sb := b[superblock:]
	e := &erofs{b: b, block: 1 << (sb[bits] & 31), owner: owner, seen: map[uint64]bool{}}
	e.meta = uint64(binary.LittleEndian.Uint32(sb[meta:])) * e.block
	todo := []uint64{uint64(binary.LittleEndian.Uint16(sb[root:]))}
	for len(todo) > 0 {
		nid := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if e.seen[nid] {
			continue
		}
		e.seen[nid] = true
		more, err := e.inode(nid)
		if err != nil {
			return err
		}
		todo = append(todo, more...)
	}
	return nil
}

// at is n bytes of the image.
func (e *erofs) at(offset, n uint64) ([]byte, error) {
	if size := uint64(len(e.b)); offset > size || n > size-offset {
		return nil, fmt.Errorf("%w: it ends before byte %d", ErrDamaged, offset+n)
	}
	return e.b[offset : offset+n], nil
}

// inode changes one inode's owner and returns those that it names, if it is a directory.
func (e *erofs) inode(nid uint64) ([]uint64, error) {
	const compact, extended = 32, 64
	start := e.meta + nid*compact
	i, err := e.at(start, compact)
	if err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	format, attributes, mode := le.Uint16(i), uint64(le.Uint16(i[2:])), le.Uint16(i[4:])
	size, head := uint64(le.Uint32(i[8:])), uint64(compact)
	if format&1 == 0 {
		if e.owner.UID > 0xffff || e.owner.GID > 0xffff {
			return nil, &Problem{Kind: ErrUnsupported, Advice: "run without a user namespace on this host, or boot a newer kernel",
				Text: fmt.Sprintf("this kernel cannot give a snapshot's files to user %d: EROFS has no idmapped mounts, and the image no room for ids over 65535", e.owner.UID)}
		}
		le.PutUint16(i[24:], uint16(e.owner.UID))
		le.PutUint16(i[26:], uint16(e.owner.GID))
	} else {
		if i, err = e.at(start, extended); err != nil {
			return nil, err
		}
		size, head = le.Uint64(i[8:]), extended
		le.PutUint32(i[24:], uint32(e.owner.UID))
		le.PutUint32(i[28:], uint32(e.owner.GID))
	}
	if mode&unix.S_IFMT != unix.S_IFDIR {
		return nil, nil
	}
	if attributes > 0 {
		head += 12 + 4*(attributes-1)
	}
	return e.directory(format>>1&7, uint64(le.Uint32(i[16:]))*e.block, start+head, size)
}

// directory returns the inodes that a directory names. Its blocks are at data; where the layout has
// the last one inline, that is behind the inode.
func (e *erofs) directory(layout uint16, data, inline, size uint64) (nids []uint64, err error) {
	const plain, tailInline = 0, 2
	if layout != plain && layout != tailInline {
		return nil, fmt.Errorf("%w: a directory of layout %d", ErrDamaged, layout)
	}
	for done := uint64(0); done < size; done += e.block {
		at, n := data+done, min(e.block, size-done)
		if layout == tailInline && size-done <= e.block {
			at = inline
		}
		block, err := e.at(at, n)
		if err != nil {
			return nil, err
		}
		found, err := entries(block)
		if err != nil {
			return nil, err
		}
		nids = append(nids, found...)
	}
	return nids, nil
}

// entries are the inodes that a block of a directory names: records of 12 bytes, up to the name of
// the first.
func entries(block []byte) (nids []uint64, err error) {
	const record, nameAt = 12, 8
	if len(block) < record {
		return nil, ErrDamaged
	}
	end := int(binary.LittleEndian.Uint16(block[nameAt:]))
	if end > len(block) {
		return nil, ErrDamaged
	}
	for at := 0; at+record <= end; at += record {
		nids = append(nids, binary.LittleEndian.Uint64(block[at:]))
	}
	return nids, nil
}
