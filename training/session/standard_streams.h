// Standard streams: opened at the start of a program if closed, checked for errors at its end.
#pragma once

namespace ripieno {

// Opens /dev/null on those of the descriptors 0, 1 and 2 that are closed. Otherwise the next file
// that is opened would get that descriptor, and output would be written into it. To be called
// before any file is opened.
void open_standard_streams();

// Flushes stdout. Throws StorageError if this or an earlier write to it failed.
void flush_standard_output();

}  // namespace ripieno
