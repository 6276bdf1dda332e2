section_memory() { :; }
