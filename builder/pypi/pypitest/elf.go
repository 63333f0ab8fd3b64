package pypitest

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"slices"
)

// ELF is a shared library of a few hundred bytes: nothing can run it, and what it asks the loader for is
// as said. It is for x86_64 unless another machine is named.
type ELF struct {
	Machine  elf.Machine
	Needed   []string            // libraries
	Versions map[string][]string // of symbols, by library
}

// Bytes is the file.
func (e ELF) Bytes() []byte {
	names := []byte{0}
	name := func(s string) uint32 {
		at := len(names)
		names = append(append(names, s...), 0)
		return uint32(at)
	}
	le := binary.LittleEndian
	var dynamic, needs []byte
	for _, library := range e.Needed {
		dynamic = le.AppendUint64(le.AppendUint64(dynamic, uint64(elf.DT_NEEDED)), uint64(name(library)))
	}
	dynamic = append(dynamic, make([]byte, 16)...)
	var libraries []string
	for library := range e.Versions {
		libraries = append(libraries, library)
	}
	slices.Sort(libraries)
	for i, library := range libraries {
		versions := e.Versions[library]
		next := uint32(16 + 16*len(versions))
		if i == len(libraries)-1 {
			next = 0
		}
		needs = le.AppendUint16(le.AppendUint16(needs, 1), uint16(len(versions)))
		for _, n := range []uint32{name(library), 16, next} {
			needs = le.AppendUint32(needs, n)
		}
		for j, v := range versions {
			next := uint32(16)
			if j == len(versions)-1 {
				next = 0
			}
			needs = le.AppendUint16(le.AppendUint16(le.AppendUint32(needs, 0), 0), uint16(j+2))
			needs = le.AppendUint32(le.AppendUint32(needs, name(v)), next)
		}
	}
	machine := e.Machine
	if machine == elf.EM_NONE {
		machine = elf.EM_X86_64
	}
	sections := []section{{}, {kind: elf.SHT_STRTAB, data: names}, {kind: elf.SHT_DYNAMIC, link: 1, data: dynamic}}
	if len(needs) > 0 {
		sections = append(sections, section{kind: elf.SHT_GNU_VERNEED, link: 1, info: uint32(len(libraries)), data: needs})
	}
	return writeELF(machine, sections)
}

type section struct {
	kind       elf.SectionType
	link, info uint32
	data       []byte
}

func writeELF(machine elf.Machine, sections []section) []byte {
	const header, entry = 64, 64
	var b, data bytes.Buffer
	table := make([]elf.Section64, len(sections))
	for i, s := range sections {
		table[i] = elf.Section64{Type: uint32(s.kind), Off: uint64(header + data.Len()), Size: uint64(len(s.data)), Link: s.link, Info: s.info}
		data.Write(s.data)
	}
	h := elf.Header64{
		Type: uint16(elf.ET_DYN), Machine: uint16(machine), Version: uint32(elf.EV_CURRENT), Shoff: uint64(header + data.Len()),
		Ehsize: header, Shentsize: entry, Shnum: uint16(len(sections)), Shstrndx: 1,
	}
	copy(h.Ident[:], elf.ELFMAG+string([]byte{byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)}))
	for _, part := range []any{h, data.Bytes(), table} {
		if err := binary.Write(&b, binary.LittleEndian, part); err != nil {
			panic(err) // fixed sizes only
		}
	}
	return b.Bytes()
}
