package manylinux

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// What a section of names and versions may have. Those of the largest libraries known have a hundredth of it.
const (
	maxTable   = 1 << 20
	maxStrings = 64 << 20
	maxName    = 255
	maxEntries = 10_000
)

var errTable = errors.New("is no sound ELF file: its tables of libraries and versions are not what they say")

// checkSections refuses what package elf would allocate for as the file claims: 65,280 sections or more,
// whose number does not stand in the header, and a compressed table of their names.
func checkSections(r io.ReaderAt) error {
	var head, names [64]byte
	if _, err := r.ReadAt(head[:], 0); err != nil && err != io.EOF {
		return err
	}
	var order binary.ByteOrder = binary.LittleEndian
	if elf.Data(head[elf.EI_DATA]) == elf.ELFDATA2MSB {
		order = binary.BigEndian
	}
	offset, fields := order.Uint64(head[40:]), head[58:]
	if elf.Class(head[elf.EI_CLASS]) == elf.ELFCLASS32 {
		offset, fields = uint64(order.Uint32(head[32:])), head[46:]
	}
	size, number, index := order.Uint16(fields), order.Uint16(fields[2:]), order.Uint16(fields[4:])
	if offset == 0 {
		return nil // it has none
	}
	at := offset + uint64(size)*uint64(index)
	if number == 0 || at > math.MaxInt64 {
		return errTable
	}
	if _, err := r.ReadAt(names[:], int64(at)); err != nil && err != io.EOF {
		return err
	}
	// sh_flags is at 8 in both classes, and the flag in its lowest 32 bits.
	flags := uint64(order.Uint32(names[8:]))
	if elf.Class(head[elf.EI_CLASS]) != elf.ELFCLASS32 {
		flags = order.Uint64(names[8:])
	}
	if flags&uint64(elf.SHF_COMPRESSED) != 0 {
		return errTable
	}
	return nil
}

// table is a section of fixed fields, and the section of strings that it names.
type table struct {
	file          *elf.File
	data, strings []byte
}

func newTable(f *elf.File, s *elf.Section) (*table, error) {
	if s.Link >= uint32(len(f.Sections)) || s.Size > maxTable || f.Sections[s.Link].Size > maxStrings {
		return nil, errTable
	}
	t := &table{file: f}
	var err error
	if t.data, err = s.Data(); err == nil {
		t.strings, err = f.Sections[s.Link].Data()
	}
	if err != nil {
		return nil, fmt.Errorf("is no sound ELF file: %w", err)
	}
	return t, nil
}

// name is the string at an offset.
func (t *table) name(at uint64) (string, error) {
	if at >= uint64(len(t.strings)) {
		return "", errTable
	}
	name, _, ok := bytes.Cut(t.strings[at:min(uint64(len(t.strings)), at+maxName+1)], []byte{0})
	if !ok {
		return "", errTable
	}
	return string(name), nil
}

// needed are the names of the libraries in a dynamic section.
func (t *table) needed() (names []string, err error) {
	size, order := 16, t.file.ByteOrder
	number := order.Uint64
	if t.file.Class == elf.ELFCLASS32 {
		size, number = 8, func(b []byte) uint64 { return uint64(order.Uint32(b)) }
	}
	for b := t.data; len(b) >= size; b = b[size:] {
		switch elf.DynTag(number(b)) {
		case elf.DT_NULL:
			return names, nil
		case elf.DT_NEEDED:
			name, err := t.name(number(b[size/2:]))
			if err != nil || len(names) == maxEntries {
				return nil, errTable
			}
			names = append(names, name)
		}
	}
	return names, nil
}

// versions tells of each version in a section .gnu.version_r, and the library that has to have it. The
// fields are those of Elfxx_Verneed and Elfxx_Vernaux, 16 bytes each in both classes.
func (t *table) versions(each func(library, version string) error) error {
	order, left := t.file.ByteOrder, maxEntries
	entry := func(at uint64) ([]byte, error) {
		if left--; left < 0 || at > uint64(len(t.data)) || len(t.data)-int(at) < 16 {
			return nil, errTable
		}
		return t.data[at:], nil
	}
	for at, next := uint64(0), uint32(1); next != 0; at += uint64(next) {
		b, err := entry(at)
		if err != nil {
			return err
		}
		library, err := t.name(uint64(order.Uint32(b[4:])))
		if err != nil {
			return err
		}
		of := at + uint64(order.Uint32(b[8:]))
		for range order.Uint16(b[2:]) {
			v, err := entry(of)
			if err != nil {
				return err
			}
			version, err := t.name(uint64(order.Uint32(v[8:])))
			if err != nil {
				return err
			}
			if err := each(library, version); err != nil {
				return err
			}
			of += uint64(order.Uint32(v[12:]))
		}
		next = order.Uint32(b[12:])
	}
	return nil
}
