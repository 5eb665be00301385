// A header of another project with the name of one of Ripieno's.
#pragma once
inline constexpr bool kIsOfAnotherProject = true;
