// Nothing: its target carries precompiled headers, as a library or as a program.
int main() {}
