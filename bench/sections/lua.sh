section_lua() { :; }
