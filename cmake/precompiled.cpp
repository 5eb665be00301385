// Empty source of the targets that build precompiled headers, as a library or an executable.
int main() {}
