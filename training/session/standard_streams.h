// The standard streams of a program: open from its first line, and checked at its end.
#pragma once

namespace ripieno {

// Opens /dev/null on those of the descriptors 0, 1 and 2 that are closed: else the next file that
// is opened takes the number, and what is printed goes into it. Call it before anything opens a
// file.
void open_standard_streams();

// Writes what stdout has buffered. Throws StorageError where any of the program's output was lost.
void flush_standard_output();

}  // namespace ripieno
