// Commands that are copied by a button; where the clipboard is not to be had they are selected.

async function copyText(element) {
  try {
    await navigator.clipboard.writeText(element.textContent);
    return true;
  } catch {
    getSelection().selectAllChildren(element);
    return document.execCommand("copy");
  }
}

function makeCopyable(item, announce) {
  const button = item.querySelector(".copy");
  button.hidden = false;
  button.addEventListener("click", async () => {
    const isCopied = await copyText(item.querySelector("code"));
    button.textContent = isCopied ? "Copied" : "Selected";
    announce(`${button.textContent}: ${item.querySelector("code").textContent}`);
  });
}
