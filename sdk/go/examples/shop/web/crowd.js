// Asks twice a second which of the visitors get the new checkout, and lights their dots.
const crowd = document.getElementById("crowd");
const count = document.getElementById("in");
const dots = Array.from({ length: 1000 }, () => crowd.appendChild(document.createElement("i")));

async function look() {
  try {
    const answer = await (await fetch("/crowd.json")).json();
    count.textContent = answer.in;
    answer.users.forEach((lit, i) => dots[i].classList.toggle("lit", lit));
    crowd.classList.remove("away");
  } catch {
    crowd.classList.add("away"); // the shop is being restarted
  }
  setTimeout(look, 500);
}
look();
