// Another project's header of that name.
#pragma once
inline constexpr bool kIsOfAnotherProject = true;
